/** What the page says, in the reader's language. */
import de from './words/de.js';
import en from './words/en.js';
import es from './words/es.js';
import fr from './words/fr.js';
import ja from './words/ja.js';

/** The languages that there are. @type {Record<string, Record<string, string>>} */
export const LANGUAGES = { en, de, es, fr, ja };

/**
 * Chooses the first language that the reader wants and that there is; English when there is none.
 * @param {readonly string[]} wanted tags of BCP 47, the dearest first
 * @returns {string} a key of LANGUAGES
 */
export function chooseLanguage(wanted) {
  for (const tag of wanted) {
    const language = String(tag).toLowerCase().split('-')[0];
    if (Object.hasOwn(LANGUAGES, language)) return language;
  }
  return 'en';
}

/** The words of one language, with numbers and times as they are written in it. */
export class Words {
  #words;
  #formats = new Map();

  /** @param {string} language a key of LANGUAGES */
  constructor(language) {
    this.language = language;
    this.#words = LANGUAGES[language];
  }

  /**
   * @param {string} key
   * @param {Record<string, string>} [values] what stands for the names in braces
   * @returns {string}
   */
  say(key, values = {}) {
    return this.#words[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
  }

  /** @param {number} octets @returns {string} "1.2 MB", with 1024 kB to it */
  size(octets) {
    if (octets < 1000) return this.#unit('byte', octets, 'long');
    const [unit, value] = octets < 1000 * 1024 ? ['kilobyte', octets / 1024] : ['megabyte', octets / 1024 / 1024];
    return this.#unit(unit, value, 'short', value < 10 ? 1 : 0);
  }

  /** @param {number} ms @returns {string} "30 seconds", or "5 minutes" from two minutes on */
  span(ms) {
    const seconds = Math.max(0, Math.round(ms / 1000));
    return seconds < 120 ? this.#unit('second', seconds, 'long') : this.#unit('minute', Math.round(seconds / 60), 'long');
  }

  #unit(unit, value, unitDisplay, maximumFractionDigits = 0) {
    const key = `${unit} ${maximumFractionDigits}`;
    if (!this.#formats.has(key)) {
      this.#formats.set(key, new Intl.NumberFormat(this.language, { style: 'unit', unit, unitDisplay, maximumFractionDigits }));
    }
    return this.#formats.get(key).format(value);
  }
}

/** @param {number} ms @returns {string} "4:05", or "1:04:05" */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (number) => String(number).padStart(2, '0');
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
