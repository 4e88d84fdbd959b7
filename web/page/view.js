/** What the page shows in its states. It knows elements and words, and nothing of channels. */
import { readAgent } from './agent.js';
import { $, copy, icon, make } from './dom.js';
import { ending } from './endings.js';
import { MAX_FILE } from './files.js';
import { drawQR } from './qr.js';
import { clock } from './words.js';

/** How long a notice is shown, in ms. Screen readers are told at once. */
const NOTICE = 8000;

const TITLES = { confirm: 'confirm-title', paired: 'paired-title' };

export class View {
  #words;
  #expires = null;
  #notices = new Map(); // id of the element -> timer

  /** @param {import('./words.js').Words} words */
  constructor(words) {
    this.#words = words;
    document.documentElement.lang = words.language;
    for (const element of document.querySelectorAll('[data-say]')) element.textContent = words.say(element.dataset.say);
    const label = (selector, key) => $(selector).setAttribute('aria-label', words.say(key));
    label('#qr', 'qr-label');
    label('#text', 'text-label');
    label('#send', 'send');
    label('#file', 'attach');
    label('.log', 'items-label');
    label('#peer', 'confirm-who');
    $('#text').placeholder = words.say('text-label');
    $('#empty-text').textContent = words.say('empty-text', { size: words.size(MAX_FILE) });
    $('.attach').title = words.say('attach');
    $('#share').hidden = !navigator.share;
    setInterval(() => this.#tick(), 1000);
    this.#listen();
  }

  #listen() {
    const link = $('#link');
    link.addEventListener('focus', () => link.select());
    $('#copy').addEventListener('click', async () => this.copied(await copy(link.value)));
    $('#share').addEventListener('click', () => navigator.share({ title: this.#words.say('title'), url: link.value }).catch(() => {}));
  }

  /** @param {'starting'|'waiting'|'joining'|'confirm'|'paired'|'closed'} state */
  state(state) {
    const { body } = document;
    const before = body.dataset.state;
    body.dataset.state = state;
    // While a code is on its way its place is shown already, so that nothing moves when it comes.
    for (const section of document.querySelectorAll('main > section')) section.hidden = !section.classList.contains(state);
    if (state === 'closed' && $('#items').childElementCount) $('.paired').hidden = false;
    $('#leave').hidden = state !== 'confirm' && state !== 'paired';
    document.title = this.#words.say(TITLES[state] ?? (state === 'closed' ? ending(body.dataset.reason).title : 'title'));
    if (state === before) return;
    if (state === 'paired' && matchMedia('(pointer: fine)').matches) $('#text').focus();
    else if (before !== 'starting' || state === 'closed') $(`.${state} h1`).focus();
    if (state === 'paired') scrollTo(0, document.body.scrollHeight);
    else scrollTo(0, 0);
  }

  /** Shows the link for the other device. @param {string} link */
  link(link) {
    if ($('#link').value === link) return;
    $('#link').value = link;
    drawQR($('#qr'), link);
  }

  /**
   * Shows the short code and who is there.
   * @param {string} code
   * @param {object} sender what is known about the other device; see docs/protocol.md section 1
   * @param {boolean} present whether it is connected
   */
  partner(code, sender = {}, present = true) {
    const words = this.#words;
    $('#code').textContent = code;
    const { browser, system, handHeld } = readAgent(sender.ua);
    const device = browser && system ? words.say('device', { browser, system }) : browser || system || words.say('unknown-device');
    const names = [sender.city, sender.region, sender.country].filter((name, i, all) => name && all.indexOf(name) === i);
    if (words.language === 'ja') names.reverse();
    const place = names.join(words.say('place-separator')) || words.say('unknown-place');
    const address = sender.remote ? words.say('address', { address: sender.remote }) : '';
    const who = () => make('span', { className: 'who', dir: 'auto', textContent: device });
    const where = (text) => make('span', { className: 'where', dir: 'auto', textContent: text });
    const picture = handHeld ? 'phone' : 'computer';
    $('#peer').replaceChildren(icon(picture), make('div', {}, who(), where(place), where(address)));
    $('.partner').replaceChildren(icon(picture), who(), where(present ? names[0] ?? '' : words.say('offline')));
  }

  /** Shows who has confirmed. @param {boolean} here @param {boolean} there */
  confirmation(here, there) {
    const text = here ? 'confirmed-here' : there ? 'confirmed-there' : '';
    $('#confirmation').textContent = text && this.#words.say(text);
    $('#confirm').disabled = here;
    if (text) this.#live('#status', this.#words.say(text), true);
  }

  /** @param {string} reason @param {boolean} retry whether the same may be tried again */
  closed(reason, retry) {
    document.body.dataset.reason = reason;
    const { title, text } = ending(reason);
    $('#closed-title').textContent = this.#words.say(title);
    $('#closed-text').textContent = this.#words.say(text, { reason });
    $('#kept').hidden = !$('#items [data-from="peer"]');
    $('#again').textContent = this.#words.say(retry ? 'try-again' : 'new-pairing');
    this.#live('#alert', '');
    this.#live('#status', '');
    this.state('closed');
  }

  /** @param {boolean} open */
  line(open) {
    const line = open ? 'open' : 'reconnecting';
    if (document.body.dataset.line === line) return;
    document.body.dataset.line = line;
    $('#line').hidden = open;
    this.#live('#status', this.#words.say(open ? 'reconnected' : 'reconnecting'), !open);
  }

  /** @param {number | null} expires when the channel ends, as Date.now() counts */
  expires(expires) {
    this.#expires = expires;
    this.#tick();
  }

  #tick() {
    $('.left').hidden = this.#expires === null;
    if (this.#expires !== null) $('#left').textContent = clock(this.#expires - Date.now());
  }

  /** Tells something that does not change the state. @param {string} key @param {Record<string, string>} [values] */
  notice(key, values) {
    this.#live('#status', this.#words.say(key, values));
  }

  /** Tells something that cannot wait. @param {string} key @param {Record<string, string>} [values] */
  warn(key, values) {
    this.#live('#alert', this.#words.say(key, values));
  }

  /** @param {boolean} ok whether something was copied */
  copied(ok) {
    this.notice(ok ? 'copied' : 'not-copied');
  }

  #live(selector, text, unseen = false) {
    const element = $(selector);
    clearTimeout(this.#notices.get(selector));
    element.classList.toggle('quiet', unseen);
    element.textContent = text;
    if (text) this.#notices.set(selector, setTimeout(() => (element.textContent = ''), NOTICE));
  }
}
