/** The page with which two devices are paired: it opens a channel, follows it, and lets people do what they can do. */
import { createChannel, joinChannel, resumeChannel } from '../channel.js';
import * as composer from './composer.js';
import { Conversation } from './conversation.js';
import { $ } from './dom.js';
import { passes, whyNotOpen } from './endings.js';
import { MAX_FILE } from './files.js';
import { Items } from './items.js';
import { forget, recall, remember } from './memory.js';
import { View } from './view.js';
import { Words, chooseLanguage } from './words.js';

const FRAGMENT = /^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{64}$/;

const here = new URL('.', location.href);
here.search = here.hash = '';

const words = new Words(chooseLanguage(navigator.languages ?? [navigator.language]));
const view = new View(words);

let channel = null;
let conversation = null;
let sender; // what is known about the other device
let over = true; // the pairing has ended, for the person here
let link = ''; // that the page was opened with, as long as it may be tried again
let parting = Promise.resolve(); // done when the pairing before has let go of the storage

const items = new Items($('#items'), words, {
  cancel: (item) => conversation.cancel(item),
  askAgain: (item) => !over && conversation.askAgain(item),
  copied: (ok) => view.copied(ok),
  blur: () => $('#text').focus(),
});

/** Begins: goes on where the page was before a reload, or joins by the link in the address, or opens a channel. */
async function start() {
  const fragment = location.hash.slice(1);
  const saved = recall();
  view.state('starting');
  view.expires(null);
  view.line(true);
  items.clear();
  channel = conversation = sender = undefined;
  await parting;
  try {
    const given = FRAGMENT.test(fragment);
    if (!given || saved?.channel === fragment.split('.')[0]) {
      const resumed = await resumeChannel();
      if (resumed) return use(resumed, saved);
    }
    forget();
    if (given) link = here.href + location.hash;
    else if (fragment) return end('bad-link');
    if (link) view.state('joining');
    use(link ? await joinChannel(link, { server: here }) : await createChannel(here, { page: here }));
  } catch (error) {
    const { reason = 'broken' } = error;
    if (reason === 'broken') console.error(error);
    end(reason === 'unreachable' || reason === 'lost' ? await whyNotOpen(here) : reason);
  }
}

/** Takes the secret out of the address and the history. */
function hideLink() {
  link = '';
  if (location.hash) history.replaceState(history.state, '', location.pathname + location.search);
}

/** Follows a channel to its end. */
function use(opened, saved = null) {
  hideLink();
  over = false;
  channel = opened;
  sender = channel.members.get(channel.peer)?.sender;
  conversation = new Conversation(channel, saved, remember);
  const on = (target, type, listener) => target.addEventListener(type, (event) => opened === channel && !over && listener(event));
  on(channel, 'paired', (event) => {
    sender = event.sender;
    show();
  });
  on(channel, 'refused', ({ reason }) => view.notice(reason === 'wrong-secret' ? 'turned-away-wrong' : 'turned-away-second'));
  on(channel, 'reconnecting', () => view.line(false));
  on(channel, 'open', () => {
    view.line(true);
    view.expires(channel.expires);
  });
  for (const type of ['away', 'back']) {
    on(channel, type, ({ member }) => {
      if (member !== channel.peer) return;
      if (conversation.open) view.notice(`peer-${type}`);
      show();
    });
  }
  on(channel, 'left', ({ member, reason }) => {
    if (member === channel.peer) leave(reason === 'bye' ? gone() : 'lost');
  });
  on(channel, 'ending', ({ inMs, reason }) => {
    view.expires(Date.now() + inMs);
    view.warn(reason === 'channel-expired' ? 'ending' : 'ending-restart', { time: words.span(inMs) });
  });
  on(channel, 'closed', ({ reason }) => end(reason === 'channel-ended' ? gone() : reason));
  on(conversation, 'confirm', show);
  on(conversation, 'bye', () => leave(gone()));
  on(conversation, 'item', ({ item }) => showItem(item));
  for (const item of conversation.items) items.show(item);
  if (channel.state === 'closed') end('lost');
  else show();
}

/** Why the other device has gone: after both have confirmed that is nothing to worry about. */
function gone() {
  return conversation.open ? 'peer-left' : 'stopped';
}

function show() {
  view.expires(channel.expires);
  view.line(channel.state !== 'reconnecting');
  if (!channel.paired) {
    if (channel.link) view.link(channel.link);
    view.state(channel.creator ? 'waiting' : 'joining');
    return;
  }
  view.partner(channel.shortString, sender, channel.members.get(channel.peer)?.present);
  if (!conversation.open) view.confirmation(conversation.confirmed, conversation.theirs);
  view.state(conversation.open ? 'paired' : 'confirm');
}

function showItem(item) {
  const { scrollHeight } = document.documentElement;
  const atEnd = scrollY + innerHeight > scrollHeight - 120;
  items.show(item);
  if (atEnd || item.from === 'me') scrollTo(0, document.documentElement.scrollHeight);
}

/** Leaves the channel, for a reason that is told. */
function leave(reason) {
  const left = channel;
  end(reason);
  parting = left.close();
}

/** Shows that it is over. */
function end(reason) {
  over = true;
  forget();
  view.expires(null);
  view.line(true);
  if (!(link && passes(reason))) hideLink();
  view.closed(reason, passes(reason));
}

function sendFiles(files) {
  for (const file of files) {
    const why = conversation.sendFile(file);
    if (why) view.notice(`file-${why}`, { name: file.name, size: words.size(MAX_FILE) });
  }
}

$('#confirm').addEventListener('click', () => conversation.confirm());

$('#differ').addEventListener('click', () => {
  const { creator } = channel;
  const left = channel;
  conversation.bye();
  end('differ');
  // Whoever it is must not wait in the channel for somebody else.
  parting = creator ? left.end().catch(() => left.close()) : left.close();
});

$('#leave').addEventListener('click', () => {
  conversation.bye();
  leave('bye');
});

$('#again').addEventListener('click', () => {
  if (document.body.dataset.reason === 'insecure-context') location.reload();
  else start();
});

composer.listen({
  ready: () => !over && conversation?.open === true,
  text(text) {
    const sent = conversation.sendText(text);
    if (!sent) view.notice('text-too-long');
    return sent;
  },
  files: sendFiles,
});

// Another link may be opened in this tab.
addEventListener('hashchange', () => location.hash && location.reload());

start();
