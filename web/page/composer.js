/** Where people write texts and choose files: by typing, pasting, dropping and the file dialogue. */
import { $ } from './dom.js';

/**
 * Listens to all of it.
 * @param {object} to
 * @param {() => boolean} to.ready whether something can be sent
 * @param {(text: string) => boolean} to.text false when it was not taken, and stays where it is
 * @param {(files: File[]) => void} to.files
 */
export function listen(to) {
  const text = $('#text');
  const form = $('#composer');

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (to.ready() && text.value.trim() && to.text(text.value)) text.value = '';
    fit(text);
    text.focus();
  });
  text.addEventListener('keydown', (event) => {
    // Enter also ends the composition of a Japanese word, for one. 229 is what Safari says then.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    form.requestSubmit();
  });
  text.addEventListener('input', () => fit(text));

  const file = $('#file');
  file.addEventListener('change', () => {
    if (to.ready()) to.files([...file.files]);
    file.value = '';
  });

  document.addEventListener('paste', (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length || !to.ready()) return;
    event.preventDefault();
    to.files(files);
  });

  const drop = $('.drop');
  const wanted = (event) => to.ready() && event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragover', (event) => {
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); // or the browser opens the file instead of the page
    drop.hidden = !wanted(event);
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) drop.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    drop.hidden = true;
    if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
    if (wanted(event)) to.files([...event.dataTransfer.files]);
  });
}

/** Makes the field as high as its text, where CSS alone cannot. */
function fit(text) {
  if (CSS.supports('field-sizing', 'content')) return;
  text.style.height = 'auto';
  text.style.height = `${text.scrollHeight + 2}px`;
}
