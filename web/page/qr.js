/** Draws a QR code. */
import { correction, generate } from 'lean-qr/nano';

/** Modules of white around the code that a reader needs to find it (ISO/IEC 18004 section 5.3.8). */
const QUIET = 4;

/**
 * Returns the path of a QR code's dark modules, and how wide the code is with its quiet zone, in modules.
 * A code on a screen is not dirty, but it is photographed at an angle: level M is the usual choice for that.
 * @param {string} text
 * @returns {{path: string, width: number}}
 */
export function qrPath(text) {
  const code = generate(text, { minCorrectionLevel: correction.M });
  let path = '';
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      if (!code.get(x, y)) continue;
      let run = 1;
      while (code.get(x + run, y)) run++;
      path += `M${x + QUIET} ${y + QUIET}h${run}v1h-${run}z`;
      x += run;
    }
  }
  return { path, width: code.size + 2 * QUIET };
}

/**
 * Draws a QR code into an svg element.
 * @param {SVGElement} svg
 * @param {string} text
 */
export function drawQR(svg, text) {
  const { path, width } = qrPath(text);
  const dark = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  dark.setAttribute('d', path);
  svg.setAttribute('viewBox', `0 0 ${width} ${width}`);
  svg.replaceChildren(dark);
}
