import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { runFfmpeg } from '../../src/video/ffmpeg/ffmpeg.js';
import { containerFor } from '../../src/video/formats/container.js';
import { probe, type StreamFacts } from '../../src/video/source/probe.js';
import { audioChoice, KEEP_STREAMS } from '../../src/video/streams/stream-choices.js';
import { planStreams } from '../../src/video/streams/streams.js';
import {
  attachedCover,
  bareSound,
  bitmapSubtitles,
  coverArt,
  dataStream,
  manySubtitles,
  timecode,
} from '../fixtures/carried-clips.js';
import { clipFolder, ffmpegClip, makeClip } from '../fixtures/clips.js';
import { chaptersAndFormat, finish, firstPacketTime, packetDigests } from '../fixtures/finish.js';

// Dozens of short runs of ffmpeg, on whatever machine.
t.setTimeout(1_800_000);

const brief = (streams: readonly StreamFacts[]) =>
  streams.map(({ type, codec, language, attachedPicture }) =>
    [attachedPicture ? 'cover' : type, codec, language].filter((fact) => fact !== undefined).join(' '),
  );

t.test('everything in Matroska stays as it is in Matroska', async (t) => {
  const clip = await makeClip('rich');
  const { path, streams, source } = await finish(clip, 'mkv');
  t.same(streams.notes, []);
  const output = await probe(path);
  t.same(brief(output.streams), brief(source.streams));
  t.same(
    output.streams.map(({ disposition, title }) => [disposition, title]),
    source.streams.map(({ disposition, title }) => [disposition, title]),
    'dispositions and titles',
  );
  for (const selector of ['a:0', 'a:1', 's:0']) {
    t.same(
      await packetDigests(path, selector),
      await packetDigests(clip, selector),
      `${selector} bit for bit`,
    );
  }
  const [before, after] = [await chaptersAndFormat(clip), await chaptersAndFormat(path)];
  t.same(
    after.chapters.map(({ start_time, tags }) => [start_time, tags?.title]),
    [
      ['0.000000', 'One'],
      ['0.500000', 'Two'],
    ],
  );
  t.same(after.format.tags?.title, before.format.tags?.title);
  t.equal(after.format.tags?.ARTIST, 'Nobody');
  t.same(await attachmentOf(path), await attachmentOf(clip));
  t.match((await attachmentOf(path)).toString(), /^attached text/);
});

t.test('what mp4 cannot hold is converted or left out, and said', async (t) => {
  const clip = await makeClip('rich');
  const { path, streams, source } = await finish(clip, 'mp4');
  const subtitle = source.streams.find((stream) => stream.type === 'subtitle')?.index;
  const attachment = source.streams.find((stream) => stream.type === 'attachment')?.index;
  t.same(streams.notes, [
    `Subtitle stream ${subtitle} (subrip, deu) is converted to mov_text, because .mp4 cannot hold subrip; where lines overlap, only the latest is shown.`,
    `Attachment ${attachment} (notes.txt) is left out: .mp4 cannot hold it; .mkv keeps it.`,
  ]);
  const output = await probe(path);
  t.equal(output.chapters, 2);
  const kept = output.streams.filter((stream) => stream.type !== 'data');
  t.same(
    kept.map(({ type, codec, language }) => [type, codec, language]),
    [
      ['video', 'h264', 'und'],
      ['audio', 'ac3', 'eng'],
      ['audio', 'ac3', 'fra'],
      ['subtitle', 'mov_text', 'deu'],
    ],
  );
  t.ok(
    (await readFile(path)).includes('Deux'),
    'the title is written, though FFmpeg 5 does not read it back',
  );
  t.same(await packetDigests(path, 'a:1'), await packetDigests(clip, 'a:1'), 'sound bit for bit');
  t.equal(await firstPacketTime(path, 's:0'), 0, 'subtitles in mp4 begin with a gap');
  t.match(await subtitleText(path), /A painted line/);
  t.equal(await subtitleText(path), await subtitleText(clip), 'text and times');
  const { format } = await chaptersAndFormat(path);
  t.equal(format.tags?.title, 'A rich clip');
  t.equal(format.tags?.artist, 'Nobody');
});

t.test('what webm cannot hold', async (t) => {
  const clip = await makeClip('rich');
  const { path, streams } = await finish(clip, 'webm', { codec: 'vp9' });
  t.equal(streams.notes.filter((note) => /converted to Opus, 192 kbit\/s/.test(note)).length, 2);
  t.ok(streams.notes.some((note) => /converted to webvtt/.test(note)));
  t.ok(
    streams.notes.some((note) => /Attachment .* is left out: .webm cannot hold it; .mkv keeps it/.test(note)),
  );
  const { streams: kept } = await probe(path);
  t.same(
    kept.map(({ codec }) => codec),
    ['vp9', 'opus', 'opus', 'webvtt'],
  );
});

t.test('audio is left out or encoded as asked, and subtitles are left out', async (t) => {
  const clip = await makeClip('rich');
  const asked = async (audio: string, extension: string, subtitles: 'keep' | 'none' = 'none') => {
    const choices = { audio: audioChoice(audio) ?? KEEP_STREAMS.audio, subtitles };
    const { path, streams, source } = await finish(clip, extension, { choices });
    const kept = (await probe(path)).streams;
    return { path, notes: streams.notes, source, codecs: kept.map(({ codec }) => codec), kept };
  };
  const silent = await asked('none', 'mkv');
  t.same(
    silent.kept.map(({ type }) => type),
    ['video', 'attachment'],
  );
  t.same(silent.notes, [], 'nothing to note: it was asked for');
  const copied = await asked('copy', 'mkv');
  t.same(await packetDigests(copied.path, 'a:0'), await packetDigests(clip, 'a:0'));
  t.notOk(copied.codecs.includes('subrip'));
  for (const [text, extension, codec] of [
    ['aac:96k', 'mp4', 'aac'],
    ['flac', 'mkv', 'flac'],
    ['pcm', 'mov', 'pcm_s24le'],
    ['opus:64k', 'mkv', 'opus'],
  ] as const) {
    const made = await asked(text, extension, 'keep');
    t.equal(made.codecs.filter((one) => one === codec).length, 2, `both streams as ${text}`);
    t.equal(
      made.notes.filter((note) => /^Audio .* is converted to .*, as --audio says\.$/.test(note)).length,
      2,
    );
    const languages = (streams: typeof made.kept) =>
      streams.filter(({ type }) => type === 'audio').map(({ language }) => language);
    t.same(languages(made.kept), languages(made.source.streams), 'languages stay');
  }
  await t.rejects(asked('ac3', 'webm'), { code: 'usage' });
});

t.test('a codec that the container refuses is a wrong command, told before work begins', async (t) => {
  const source = await probe(await makeClip('cfr'));
  const refused = (extension: string, codec: 'h264' | 'ffv1', words: RegExp) =>
    t.rejects(
      planStreams(source, containerFor(`x.${extension}`), codec, async () => clipFolder()),
      { code: 'usage', message: words },
    );
  await refused('webm', 'h264', /^\.webm cannot hold h264 video: webm: Only VP8 or VP9/);
  await refused('mp4', 'ffv1', /^\.mp4 cannot hold ffv1 video/);
});

t.test('many subtitles of one kind are asked about once', async (t) => {
  const source = await probe(await manySubtitles(30));
  const { actions, notes } = await planStreams(source, containerFor('x.mp4'), 'h264', async () =>
    clipFolder(),
  );
  t.equal(actions.filter((action) => action.kind === 'convert').length, 30);
  t.equal(notes.length, 30);
  t.match(notes[0], /^Subtitle stream 2 \(subrip, ger\) is converted to mov_text/);
});

t.test('subtitles keep their bytes, language and forced flag in Matroska', async (t) => {
  const clip = await manySubtitles(2);
  const { path } = await finish(clip, 'mkv');
  t.same(await packetDigests(path, 's:1'), await packetDigests(clip, 's:1'));
  const { streams } = await probe(path);
  t.same([streams[2]?.language, streams[2]?.disposition], ['ger', ['forced']]);
});

t.test('bitmap subtitles', async (t) => {
  const clip = await bitmapSubtitles();
  const kept = await finish(clip, 'mkv');
  t.same(await packetDigests(kept.path, 's:0'), await packetDigests(clip, 's:0'));
  const dropped = await finish(clip, 'mp4');
  t.same(dropped.streams.notes, [
    'Subtitle stream 1 (hdmv_pgs_subtitle, fre) is left out: .mp4 cannot hold it; .mkv keeps it.',
  ]);
});

t.test('bare samples: mov and mkv hold them, mp4 as ffmpeg can', async (t) => {
  const clip = await bareSound();
  for (const extension of ['mov', 'mkv']) {
    const { path, streams } = await finish(clip, extension);
    t.same(streams.notes, []);
    t.same((await packetDigests(path, 'a:0')).length, (await packetDigests(clip, 'a:0')).length);
    t.equal((await probe(path)).streams[1]?.codec, 'pcm_s16le');
  }
  const { path, streams } = await finish(clip, 'mp4');
  const codec = (await probe(path)).streams[1]?.codec;
  const converted =
    'Audio stream 1 (pcm_s16le) is converted to AAC, 256 kbit/s, because .mp4 cannot hold pcm_s16le.';
  // FFmpeg 6 and later write it, and read it back.
  t.same([codec, streams.notes], codec === 'aac' ? ['aac', [converted]] : ['pcm_s16le', []]);
});

t.test('cover art', async (t) => {
  const clip = await coverArt(['-metadata', 'maker=Someone', '-movflags', 'use_metadata_tags']);
  t.notOk((await probe(clip)).streams[2], 'FFmpeg writes no cover art beside keys of any name');
  const covered = await coverArt();
  for (const extension of ['mp4', 'mkv']) {
    const { path, source } = await finish(covered, extension);
    const { streams, tags } = await probe(path);
    t.same(
      brief(streams),
      [...brief(source.streams.slice(0, 2)), 'cover png'].map((line) => undUnless(extension, line)),
    );
    t.same(
      await packetDigests(path, 'v:1'),
      await packetDigests(covered, 'v:1'),
      `the picture bit for bit in ${extension}`,
    );
    t.equal(tags.title, 'Covered');
  }
  const { streams } = await finish(covered, 'mov');
  t.same(streams.notes, ['Cover art 2 (png) is left out: .mov cannot hold it; .mkv and .mp4 keep it.']);
});

t.test('a picture attached in Matroska', async (t) => {
  const clip = await attachedCover();
  const kept = await finish(clip, 'mkv');
  const { streams, tags } = await probe(kept.path);
  t.same(brief(streams).slice(2), ['cover mjpeg']);
  t.equal(streams[2]?.tags.filename, 'front cover.jpg');
  t.equal(tags.MAKER, 'Someone');
  t.same(await packetDigests(kept.path, 'v:1'), await packetDigests(clip, 'v:1'));

  const moved = await finish(clip, 'mp4');
  t.same(brief((await probe(moved.path)).streams).slice(2), ['cover mjpeg']);
  t.same(moved.streams.notes, [
    'Metadata is left out (MAKER): .mp4 holds no such keys beside cover art; .mkv does.',
  ]);
});

t.test('metadata of any name in mp4', async (t) => {
  const clip = join(clipFolder(), 'named.mkv');
  await runFfmpeg({
    task: 'making a clip',
    inputs: [{ from: { file: await makeClip('cfr') } }],
    outputs: [
      {
        to: { file: clip },
        options: ['-c', 'copy', '-metadata', 'camera=Bolex', '-metadata', 'title=Named'],
      },
    ],
  });
  const { path, streams } = await finish(clip, 'mp4');
  t.same(streams.notes, []);
  const { tags } = await probe(path);
  t.equal(tags.CAMERA ?? tags.camera, 'Bolex');
  t.equal(tags.title, 'Named');
});

t.test('a timecode track is written anew', async (t) => {
  const clip = await timecode();
  for (const extension of ['mov', 'mp4']) {
    const { path, streams } = await finish(clip, extension);
    t.same(streams.notes, []);
    const { streams: kept } = await probe(path);
    t.equal(kept.filter((stream) => stream.codecTag === 'tmcd').length, 1, extension);
    t.equal(kept[0]?.tags.timecode, '01:02:03:04');
  }
});

t.test('data streams go where they can', async (t) => {
  const clip = await dataStream();
  const { path, streams } = await finish(clip, 'mov');
  const dropped = await finish(clip, 'mkv');
  // FFmpeg 7 writes it into QuickTime and may not read it back: what a plain copy gives is what there is.
  const plain = await ffmpegClip('plain copy.mov', [{ from: { file: clip } }], ['-map', '0', '-c', 'copy']);
  const kept = streams.notes.length === 0;
  if (kept) t.same(await packetDigests(path, 'd:0'), await packetDigests(plain, 'd:0'));
  else t.match(streams.notes, [/^Data stream 2 \(bin_data\) is left out: \.mov cannot hold it/]);
  t.match(dropped.streams.notes, [/^Data stream 2 \(bin_data\) is left out: \.mkv cannot hold it/]);
  t.equal(/\.mov/.test(`${dropped.streams.notes}`), kept, 'and .mov is named where it keeps it');

  // As QuickTime tells no duration of them, FFmpeg reads back one packet of all.
  const many = await finish(await dataStream(20_000), 'mov');
  t.match(many.streams.notes, [/^Data stream 2 \(bin_data\) is left out: \.mov cannot hold it\.$/]);
});

t.test('sound on its own is no matter: none is fine', async (t) => {
  const { path } = await finish(await makeClip('one-frame'), 'mp4');
  t.same(brief((await probe(path)).streams), ['video h264 und']);
});

/** Languages that are not known are written as `und` in mp4 and left out in Matroska. */
function undUnless(extension: string, line: string): string {
  return extension === 'mkv' ? line.replace(' und', '') : line;
}

async function attachmentOf(path: string): Promise<Buffer> {
  const file = join(clipFolder(), 'dumped attachment');
  await runFfmpeg({
    task: 'dumping an attachment',
    inputs: [{ from: { file: path }, options: ['-y', '-dump_attachment:t:0', file] }],
    outputs: [{ to: 'null', options: ['-map', '0:v:0', '-frames:v', '1'] }],
  });
  return readFile(file);
}

async function subtitleText(path: string): Promise<string> {
  const file = join(clipFolder(), 'dumped.srt');
  await runFfmpeg({
    task: 'dumping subtitles',
    inputs: [{ from: { file: path }, options: ['-copyts'] }],
    outputs: [{ to: { file }, options: ['-map', '0:s:0'] }],
  });
  return readFile(file, 'utf8');
}
