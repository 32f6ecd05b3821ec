/** Serves the status of a watcher to this machine: read-only, and to no page of another origin. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { POLICY } from '../job/report/page/document.js';
import { printableJson } from '../report/printable.js';
import { JobError, messageOf } from '../system/errors.js';
import { codeOf } from '../system/own-files.js';
import type { StatusBoard } from './status.js';
import { STATUS_POLICY, statusPage } from './status-page.js';

/** Disposing of it ends it, with its connections. */
export interface StatusServer extends AsyncDisposable {
  readonly url: string;
}

interface Answer {
  readonly code: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

const TEXT = 'text/plain; charset=utf-8';
const HTML = 'text/html; charset=utf-8';
/** A page of a report gets no origin: its script could not read the status, whatever it were. */
const REPORT_POLICY = `${POLICY}; sandbox allow-scripts; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
const HEADERS = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;
const NOTHING: Answer = { code: 404, type: TEXT, body: 'There is nothing here.\n' };
const REPORT = /^\/reports\/([0-9a-f]{32})$/;
const MOST_CONNECTIONS = 64;
const REQUEST_MS = 10_000;
/** A free port of IPv4 may be taken on IPv6. */
const FREE_PORT_TRIES = 10;
/** Errors of a machine without IPv6. */
const NO_IPV6: readonly string[] = ['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'EPERM'];

/**
 * Serves the status on `port` of 127.0.0.1 and, where there is one, of ::1. 0: any free port.
 *
 * @throws {JobError} output: when the port cannot be used.
 */
export async function openStatusServer(port: number, board: StatusBoard): Promise<StatusServer> {
  for (let left = FREE_PORT_TRIES; ; left -= 1) {
    const servers: Server[] = [];
    try {
      servers.push(await listen('127.0.0.1', port, board));
      const own = portOf(servers[0]);
      const second = await listen('::1', own, board).catch((error: unknown) => {
        if (NO_IPV6.includes(codeOf(error))) return undefined;
        throw error;
      });
      if (second !== undefined) servers.push(second);
      return {
        url: `http://127.0.0.1:${own}/`,
        [Symbol.asyncDispose]: async () => void (await Promise.all(servers.map(close))),
      };
    } catch (error) {
      await Promise.all(servers.map(close));
      if (port === 0 && left > 1) continue;
      throw refused(port, error);
    }
  }
}

function refused(port: number, error: unknown): JobError {
  const why = codeOf(error) === 'EADDRINUSE' ? 'another program uses it' : messageOf(error);
  return new JobError('output', `the status page cannot be served on port ${port}: ${why}`, {
    hint: 'give another --status-port, or 0 for any free one',
  });
}

async function listen(host: string, port: number, board: StatusBoard): Promise<Server> {
  const server = createServer({ headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('request', (request, response) => {
    void answerTo(request, portOf(server), board)
      .catch((): Answer => ({ code: 500, type: TEXT, body: 'The status cannot be shown.\n' }))
      .then((answer) => send(request, response, answer));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: true }, resolve);
  });
  server.on('error', () => {}); // a failed connection is not the watcher's failure
  return server;
}

async function answerTo(request: IncomingMessage, port: number, board: StatusBoard): Promise<Answer> {
  const { method, url = '', headers } = request;
  // A name of another site that leads here (DNS rebinding) would let its scripts read the answer.
  if (!isOwnHost(headers.host, port))
    return { code: 421, type: TEXT, body: 'Use the address that the watcher printed.\n' };
  if (method !== 'GET' && method !== 'HEAD')
    return { code: 405, type: TEXT, body: 'The status can only be read.\n', headers: { Allow: 'GET, HEAD' } };
  const [path = ''] = url.split('?');
  const key = REPORT.exec(path)?.[1];
  if (key !== undefined) {
    const body = await board.report(key);
    return body === undefined ? NOTHING : { code: 200, type: HTML, body, headers: policy(REPORT_POLICY) };
  }
  switch (path) {
    case '/': {
      const body = statusPage(await board.read());
      return { code: 200, type: HTML, body, headers: policy(STATUS_POLICY) };
    }
    case '/status.json': {
      const body = `${printableJson(await board.read(), 2)}\n`;
      return { code: 200, type: 'application/json; charset=utf-8', body };
    }
    default:
      return NOTHING;
  }
}

function isOwnHost(host: string | undefined, port: number): boolean {
  return ['127.0.0.1', 'localhost', '[::1]'].some(
    (name) => host?.toLowerCase() === `${name}:${port}` || (port === 80 && host?.toLowerCase() === name),
  );
}

function policy(text: string): Readonly<Record<string, string>> {
  return { 'Content-Security-Policy': text };
}

function send({ method }: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { code, type, body, headers } = answer;
  const length = Buffer.byteLength(body);
  response.writeHead(code, { ...HEADERS, 'Content-Type': type, 'Content-Length': length, ...headers });
  response.end(method === 'HEAD' ? undefined : body);
}

function portOf(server: Server | undefined): number {
  return (server?.address() as AddressInfo | null)?.port ?? 0;
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
