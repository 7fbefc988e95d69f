// Starts WorkOS' own emulator on loopback only, prints its address and key as one line of JSON, and ends when its
// standard input ends.

import net from 'node:net';

// The emulator would listen on all interfaces; its answers are for this machine only.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  const whenListening = rest.find((argument) => typeof argument === 'function');
  return listen.call(this, { port, host: '127.0.0.1' }, whenListening);
};

const { createEmulator } = await import('workos/emulate');
const port = Number(process.argv[2]);
const apiKey = 'sk_test_emulated';
await createEmulator({ port, seed: { apiKeys: { [apiKey]: { environment: 'test' } } } });
process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${port}`, apiKey })}\n`);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
