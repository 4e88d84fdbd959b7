/**
 * Names the browser and the system of a User-Agent header, for people. It is what a client claims, so a guess is
 * good enough, and an unknown one is left out.
 */

// The first that fits counts: browsers name those they descend from, too.
const BROWSERS = [
  [/channelctl/i, 'channelctl'],
  [/\bcurl\//, 'curl'],
  [/\b(?:Edg|EdgA|EdgiOS)\//, 'Microsoft Edge'],
  [/\b(?:OPR|OPT|OPX)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bYaBrowser\//, 'Yandex Browser'],
  [/\b(?:Firefox|FxiOS|Focus)\//, 'Firefox'],
  [/\b(?:HeadlessChrome|Chrome|CriOS|Chromium)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
];

const SYSTEMS = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/i, 'Windows'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\b(?:Macintosh|Mac OS X|darwin)\b/, 'Mac'],
  [/\b(?:Linux|X11)\b/i, 'Linux'],
];

const HAND_HELD = ['iPhone', 'iPad', 'Android'];

/**
 * @param {unknown} ua a User-Agent header
 * @returns {{browser: string, system: string, handHeld: boolean}} names are empty where they are unknown
 */
export function readAgent(ua) {
  const text = typeof ua === 'string' ? ua : '';
  const first = (table) => table.find(([pattern]) => pattern.test(text))?.[1] ?? '';
  const system = first(SYSTEMS);
  return { browser: first(BROWSERS), system, handHeld: HAND_HELD.includes(system) };
}
