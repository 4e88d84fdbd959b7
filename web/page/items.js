/** The list of what was sent and received. */
import { copy, icon, make } from './dom.js';
import { MAX_FILE } from './files.js';
import { findLinks } from './links.js';

/** Shows items (see conversation.js) in a list, each at its place, and changes them as they change. */
export class Items {
  #list;
  #words;
  #on;
  #elements = new Map(); // key -> li
  #urls = new Map(); // key -> blob URL of a file that came

  /**
   * @param {HTMLElement} list
   * @param {import('./words.js').Words} words
   * @param {{cancel: (item) => void, askAgain: (item) => void, copied: (ok: boolean) => void, blur: () => void}} on
   *   what people do; blur is called when what had the focus is gone
   */
  constructor(list, words, on) {
    this.#list = list;
    this.#words = words;
    this.#on = on;
  }

  clear() {
    for (const url of this.#urls.values()) URL.revokeObjectURL(url);
    this.#urls.clear();
    this.#elements.clear();
    this.#list.replaceChildren();
  }

  /** @param {import('./conversation.js').Item} item that is new, or has changed */
  show(item) {
    let li = this.#elements.get(item.key);
    if (!li) {
      li = make('li', { className: 'item', 'data-from': item.from, 'data-kind': item.kind });
      this.#elements.set(item.key, li);
      this.#list.append(li);
    }
    if (item.kind === 'file' && li.dataset.state === item.state && item.state === 'sending') {
      this.#progress(li, item);
      return;
    }
    const focused = li.contains(document.activeElement);
    li.dataset.state = item.state;
    li.replaceChildren(this.#who(item), ...(item.kind === 'text' ? this.#text(item) : this.#file(item)));
    if (focused) (li.querySelector('a, button') ?? { focus: this.#on.blur }).focus();
  }

  #who(item) {
    return make('span', { className: 'quiet', textContent: `${this.#words.say(`from-${item.from}`)}: ` });
  }

  #text(item) {
    const words = make('span', { className: 'words', dir: 'auto' });
    for (const { text, href } of findLinks(item.text)) {
      words.append(href ? make('a', { href, target: '_blank', rel: 'noopener noreferrer nofollow', textContent: text }) : text);
    }
    if (item.state === 'failed') return [words, this.#note(this.#words.say('text-failed'))];
    if (item.from === 'me') return [words];
    const label = this.#words.say('copy');
    return [words, this.#button({ className: 'plain', title: label, 'aria-label': label }, icon('copy'), async () => this.#on.copied(await copy(item.text)))];
  }

  #file(item) {
    const parts = [icon('file'), make('span', { className: 'name', dir: 'auto', title: item.name, textContent: item.name }), this.#note(this.#describe(item))];
    if (item.state === 'sending') {
      const label = this.#words.say(item.from === 'me' ? 'file-sending' : 'file-receiving', { name: item.name });
      const cancel = this.#words.say('file-cancel-label', { name: item.name });
      parts.push(this.#button({ className: 'plain act cross', title: this.#words.say('file-cancel'), 'aria-label': cancel }, icon('cross'), () => this.#on.cancel(item)));
      parts.push(make('progress', { 'aria-label': label, max: item.size || 1, value: item.done }));
    } else if (item.blob) {
      parts.push(make('a', {
        className: 'button small act', download: item.name, href: this.#url(item),
        'aria-label': this.#words.say('file-save-label', { name: item.name }), textContent: this.#words.say('file-save'),
      }));
    } else if (item.from === 'peer' && item.state === 'done') {
      const again = this.#words.say('file-again');
      parts.push(this.#button({ className: 'plain act', 'aria-label': `${again}: ${item.name}` }, again, () => this.#on.askAgain(item)));
    }
    return parts;
  }

  #progress(li, item) {
    const bar = li.querySelector('progress');
    bar.max = item.size || 1;
    bar.value = item.done;
    li.querySelector('.name').textContent = item.name;
    li.querySelector('.note').textContent = this.#describe(item);
  }

  #describe(item) {
    const words = this.#words;
    const say = (...of) => words.say(...of);
    const size = (octets) => words.size(octets);
    if (item.state === 'sending') return item.done ? `${size(item.done)} / ${size(item.size)}` : size(item.size);
    if (item.state === 'failed') return say(`why-${item.why}`, { size: size(MAX_FILE) });
    if (item.from === 'me') return `${size(item.size)} · ${say('file-sent')}`;
    return item.blob ? `${size(item.size)} · ${say('file-received')}` : say('file-gone');
  }

  #note(text) {
    return make('span', { className: 'note', textContent: text });
  }

  #button(properties, content, act) {
    const button = make('button', { type: 'button', ...properties }, content);
    button.addEventListener('click', act);
    return button;
  }

  #url(item) {
    const old = this.#urls.get(item.key);
    if (old) URL.revokeObjectURL(old);
    const url = URL.createObjectURL(item.blob);
    this.#urls.set(item.key, url);
    return url;
  }
}
