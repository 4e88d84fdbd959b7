// Runs `channelctl pair`, as at the end of a pipe: without a terminal to ask questions on.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

// Terminal is one run of `channelctl pair` with some arguments, in a folder, ended with the test t.
export class Terminal {
  out = '';
  errors = '';

  constructor(t, binary, folder, ...args) {
    this.process = spawn(binary, ['pair', ...args], { cwd: folder, env: {}, stdio: 'pipe' });
    this.ended = once(this.process, 'close').then(([status, signal]) => status ?? signal);
    this.process.stdout.setEncoding('utf8').on('data', text => { this.out += text; });
    this.process.stderr.setEncoding('utf8').on('data', text => { this.errors += text; });
    t.after(async () => {
      this.process.kill('SIGKILL');
      await this.ended;
    });
  }

  // prints waits until a pattern is in what it has written to stdout or stderr, and returns the match.
  async prints(where, pattern) {
    for (;;) {
      const match = this[where].match(pattern);
      if (match) return match;
      const stream = where === 'out' ? this.process.stdout : this.process.stderr;
      const ended = await Promise.race([once(stream, 'data').then(() => false), this.ended.then(() => true)]);
      if (ended && !pattern.test(this[where])) throw new Error(`channelctl ended without ${pattern}: ${this.out}\n${this.errors}`);
    }
  }

  say(line) {
    this.process.stdin.write(`${line}\n`);
  }
}
