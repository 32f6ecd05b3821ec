/** What a watcher makes of Event Grid's messages. The events are shaped as Microsoft's documentation shows them. */
import t from 'tap';
import { type BlobLocation, parseLocation, parseQueue } from '../../../src/storage/location/location.js';
import { readUpload, returned, returnsOf } from '../../../src/watch/upload-event.js';
import { blobVideo } from '../../../src/watch/videos.js';

const ACCOUNT = 'https://films.blob.core.windows.net';
const SUBJECTS = '/blobServices/default/containers';

function place(text: string): BlobLocation {
  const location = parseLocation(text);
  if (location.kind !== 'blob') throw new Error(text);
  return location;
}

function event(change: Record<string, unknown> = {}, data: Record<string, unknown> = {}) {
  return {
    topic: '/subscriptions/S/resourceGroups/films/providers/Microsoft.Storage/storageAccounts/films',
    subject: `${SUBJECTS}/videos-in/blobs/film.mp4`,
    eventType: 'Microsoft.Storage.BlobCreated',
    id: '831e1650-001e-001b-66ab-eeb76e069631',
    eventTime: '2026-11-20T18:41:00.9584103Z',
    dataVersion: '',
    metadataVersion: '1',
    data: {
      api: 'PutBlockList',
      eTag: '0x8D4BCC2E4835CD0',
      contentType: 'video/mp4',
      contentLength: 524288,
      blobType: 'BlockBlob',
      url: `${ACCOUNT}/videos-in/film.mp4`,
      sequencer: '00000000000004420000000000028963',
      ...data,
    },
    ...change,
  };
}

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const about = (blob: string, url = encodeURI(blob)) =>
  event({ subject: `${SUBJECTS}/videos-in/blobs/${blob}` }, { url: `${ACCOUNT}/videos-in/${url}` });
const WHOLE = place(`${ACCOUNT}/videos-in`);

t.test('an upload, as base64 and plain, in both schemas', async (t) => {
  const upload = { kind: 'upload', names: ['film.mp4'] };
  t.same(readUpload(encoded(event()), WHOLE), upload);
  t.same(readUpload(JSON.stringify(event()), WHOLE), upload);
  const { eventType, ...rest } = event();
  t.same(readUpload(encoded({ ...rest, type: eventType, specversion: '1.0' }), WHOLE), upload);
  const lake = { url: 'https://films.dfs.core.windows.net/videos-in/film.mp4', api: 'FlushWithClose' };
  t.same(readUpload(encoded(event({}, lake)), WHOLE), upload, 'through the Data Lake endpoint');
  t.same(readUpload(encoded(about('a b/ü (1) 100%.MP4', 'a%20b/%C3%BC%20(1)%20100%25.MP4')), WHOLE), {
    kind: 'upload',
    names: ['a b/ü (1) 100%.MP4'],
  });
  t.same(readUpload(encoded(about('100% #1?.mp4', '100% #1?.mp4')), WHOLE), {
    kind: 'upload',
    names: ['100% #1?.mp4'],
  });
  t.same(
    readUpload(encoded(about('\ufffd\ufffd.mp4', '%F0%9F%92%8E.mp4')), WHOLE),
    { kind: 'upload', names: ['\ufffd\ufffd.mp4', '💎.mp4'] },
    'a subject may be garbled',
  );
  t.same(readUpload(encoded(about('in/film.mp4')), place(`${ACCOUNT}/videos-in/in`)), upload, 'a folder');
  const emulated = event({}, { url: 'http://127.0.0.1:10000/devstoreaccount1/videos-in/film.mp4' });
  t.same(readUpload(encoded(emulated), place('http://127.0.0.1:10000/devstoreaccount1/videos-in')), upload);
});

t.test('what is foreign to the place', async (t) => {
  const foreign = [
    event({ eventType: 'Microsoft.Storage.BlobDeleted' }),
    event({}, { api: 'CreateFile' }),
    event({}, { url: 'https://others.blob.core.windows.net/videos-in/film.mp4' }),
    event({ subject: `${SUBJECTS}/videos-out/blobs/film.mp4` }, { url: `${ACCOUNT}/videos-out/film.mp4` }),
    about('notes.txt'),
    about('.framescatter-watch/x.mp4'),
    about('film.mp4.framescatter/segment-000000.mp4'),
    about('../film.mp4', '../film.mp4'),
  ];
  for (const one of foreign) t.match(readUpload(encoded(one), WHOLE), { kind: 'foreign' }, one.subject);
  t.match(readUpload(encoded(event()), place(`${ACCOUNT}/videos-in/in`)), { kind: 'foreign' });
});

t.test('what cannot be understood says why', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['', /not a JSON object/],
    ['hello', /not a JSON object/],
    ['[]', /not a JSON object/],
    ['"text"', /not a JSON object/],
    [encoded([event()]), /not a JSON object/],
    [encoded({ hello: 'world' }), /no eventType/],
    [encoded(event({ subject: 'film.mp4' })), /subject does not name a blob/],
    [encoded(event({ subject: 5 })), /subject does not name a blob/],
    [encoded(event({ data: null })), /data\.url/],
    [encoded(event({}, { url: 'file:///etc/passwd' })), /data\.url/],
    [encoded(event({}, { url: 'https://example.com/videos-in/film.mp4' })), /data\.url/],
    [encoded(event({}, { url: `${ACCOUNT}/other/film.mp4` })), /data\.url/],
  ];
  for (const [text, reason] of cases) t.match(readUpload(text, WHOLE), { kind: 'malformed', reason }, text);
});

t.test('a message that is given back tells how often', async (t) => {
  const text = encoded(event());
  t.equal(returnsOf(text), 0);
  t.equal(returnsOf(returned(returned(text))), 2);
  t.same(readUpload(returned(text), WHOLE), readUpload(text, WHOLE), 'and is the same else');
  t.equal(returned('hello'), 'hello');
  t.equal(returnsOf('hello'), 0);
});

t.test('a blob is one video, listed or told of', async (t) => {
  const video = blobVideo(WHOLE, 'film.mp4', '"0x8D4"', 5);
  t.same(
    blobVideo(place('https://films-secondary.blob.core.windows.net/videos-in'), 'film.mp4', '0x8D4', 5),
    video,
  );
  t.not(blobVideo(WHOLE, 'film.mp4', '0x8D5', 5).key, video.key);
});

t.test('addresses of queues', async (t) => {
  t.match(parseQueue('https://films.queue.core.windows.net/uploads?sv=1&sig=CANARY'), {
    endpoint: 'https://films.queue.core.windows.net',
    account: 'films',
    queue: 'uploads',
    url: 'https://films.queue.core.windows.net/uploads',
  });
  t.match(parseQueue('http://127.0.0.1:10001/devstoreaccount1/uploads'), {
    endpoint: 'http://127.0.0.1:10001/devstoreaccount1',
    queue: 'uploads',
  });
  const bad: readonly (readonly [string, RegExp])[] = [
    ['https://films.queue.core.windows.net/', /names no queue/],
    ['https://films.queue.core.windows.net/Up', /cannot be a queue/],
    ['https://films.queue.core.windows.net/uploads/messages', /more than a queue/],
    ['https://films.blob.core.windows.net/uploads', /not an address of Queue storage/],
    ['http://films.queue.core.windows.net/uploads', /not encrypted/],
    ['uploads', /not a valid address/],
  ];
  for (const [text, message] of bad) t.throws(() => parseQueue(text), { code: 'usage', message }, text);
  t.throws(() => parseLocation('https://films.queue.core.windows.net/uploads'), { code: 'usage' });
});
