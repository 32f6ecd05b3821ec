import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { listModels } from '../../model/load/catalogue.js';
import { PROVIDERS } from '../../model/session/providers.js';
import { launcherName } from '../../mpi/launcher.js';
import { printable, printableJson } from '../../report/printable.js';
import { visibleGpus } from '../../system/devices.js';
import { messageOf } from '../../system/errors.js';
import { native } from '../../system/native.js';
import { modelsFolder, onnxRuntimeFolder } from '../../system/package.js';
import { multipliesInt8 } from '../../system/processor.js';
import { openScratch } from '../../system/scratch.js';
import { CODECS } from '../../video/codecs/codec.js';
import { CODEC_FACTS } from '../../video/codecs/codecs.js';
import { ffmpegVersion, hasEncoder } from '../../video/ffmpeg/ffmpeg-facts.js';
import { openEncoder } from '../../video/frames/encode.js';
import {
  type DecodeTrial,
  type EncodeTrial,
  encodeGrey,
  plainSpec,
  tryNvdec,
  tryNvenc,
} from '../../video/frames/nvidia-trial.js';
import { wirePlan } from '../../video/frames/wire.js';
import { probe } from '../../video/source/probe.js';
import type { Finding } from './finding.js';
import { gpuFindings } from './gpu-findings.js';
import { vulkanFinding } from './vulkan-finding.js';

const run = promisify(execFile);

/** Checks and prints everything a job needs, with remedies. Returns exit code 1 if a job could not run. */
export async function runDoctor(json: boolean): Promise<number> {
  const findings = [
    node(),
    ...(await ffmpeg()),
    await mpirun(),
    addon(),
    processor(),
    ...(await gpus()),
    await vulkanFinding(native),
    ...(await videoEngines()),
    await models(),
  ];
  if (json) process.stdout.write(`${printableJson(findings, 2)}\n`);
  else for (const finding of findings) show(finding);
  return findings.some((finding) => finding.lack?.fatal === true) ? 1 : 0;
}

function show({ subject, found, lack }: Finding): void {
  const mark = lack === undefined ? 'ok  ' : lack.fatal ? 'LACK' : 'note';
  process.stdout.write(`${mark}  ${subject.padEnd(13)} ${printable(found)}\n`);
  if (lack !== undefined) process.stdout.write(`${' '.repeat(20)}-> ${printable(lack.remedy)}\n`);
}

function node(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fine = major > 20 || (major === 20 && minor >= 17);
  return {
    subject: 'Node.js',
    found: process.versions.node,
    ...(fine ? {} : { lack: { remedy: 'install Node.js 20.17 or newer', fatal: true } }),
  };
}

async function ffmpeg(): Promise<readonly Finding[]> {
  try {
    const version: Finding = { subject: 'FFmpeg', found: await ffmpegVersion() };
    const wanted = [...CODECS.flatMap((codec) => CODEC_FACTS[codec].encoders), 'aac'];
    const missing = (
      await Promise.all(wanted.map(async (name) => ((await hasEncoder(name)) ? [] : [name])))
    ).flat();
    const encoders: Finding = {
      subject: 'encoders',
      found: wanted.filter((name) => !missing.includes(name)).join(', '),
      ...(missing.length === 0
        ? {}
        : {
            lack: {
              remedy: `this FFmpeg lacks ${missing.join(', ')}: use another --codec, or a fuller build`,
              fatal: missing.includes('libx264'),
            },
          }),
    };
    return [version, encoders];
  } catch (error) {
    return [
      {
        subject: 'FFmpeg',
        found: messageOf(error),
        lack: { remedy: 'apt-get install ffmpeg, or set FFMPEG_PATH', fatal: true },
      },
    ];
  }
}

async function mpirun(): Promise<Finding> {
  try {
    const { stdout } = await run('mpirun', ['--version']);
    return { subject: 'mpirun', found: launcherName(stdout) };
  } catch {
    return {
      subject: 'mpirun',
      found: 'not found',
      lack: {
        remedy: "apt-get install openmpi-bin, or load your cluster's MPI module; one rank works without",
        fatal: false,
      },
    };
  }
}

function addon(): Finding {
  try {
    const { version, providers } = native().runtimeInfo();
    const libraries = onnxRuntimeLibraries();
    const here = providers.filter((name) => {
      const { library } = PROVIDERS[name];
      return library === undefined || libraries.includes(library);
    });
    return { subject: 'ONNX Runtime', found: `${version}; providers here: ${here.join(', ')}` };
  } catch (error) {
    return {
      subject: 'addon',
      found: messageOf(error).split('\n')[0] ?? '',
      lack: {
        remedy:
          'npm run build:native (needs g++, python3 and an MPI with its headers; scripts/setup.sh installs them)',
        fatal: true,
      },
    };
  }
}

function processor(): Finding {
  const found = multipliesInt8()
    ? 'VNNI or AMX: --precision int8 can be used'
    : 'neither VNNI nor AMX: models run in fp32';
  return { subject: 'processor', found };
}

function gpus(): Promise<readonly Finding[]> {
  return gpuFindings({ visible: visibleGpus(), libraries: onnxRuntimeLibraries() }, native);
}

/** Tries what --hwaccel would use on the first GPU. */
async function videoEngines(): Promise<readonly Finding[]> {
  await using scratch = openScratch();
  try {
    const folder = await scratch.folder();
    const clip = join(folder, 'clip.nut');
    const spec = plainSpec(256, 144);
    await encodeGrey(openEncoder(spec, clip), spec);
    const source = await probe(clip);
    const wire = wirePlan(source.video, { carriesDisplayMatrix: true });
    const [nvdec, nvenc] = await Promise.all([tryNvdec(source, wire, 0), tryNvenc(spec, 0, folder)]);
    return [engine('NVDEC', nvdec), engine('NVENC', nvenc)];
  } catch (error) {
    return [engine('NVDEC, NVENC', { works: false, why: messageOf(error) })];
  }
}

function engine(subject: string, trial: DecodeTrial | EncodeTrial): Finding {
  if (trial.works) return { subject, found: 'works: see --hwaccel' };
  return {
    subject,
    found: trial.why,
    lack: { remedy: 'jobs use software codecs', fatal: false },
  };
}

function onnxRuntimeLibraries(): readonly string[] {
  try {
    return readdirSync(onnxRuntimeFolder());
  } catch {
    return [];
  }
}

async function models(): Promise<Finding> {
  try {
    const found = await listModels(modelsFolder());
    return { subject: 'models', found: [...new Set(found.map((model) => model.name))].join(', ') };
  } catch (error) {
    return {
      subject: 'models',
      found: messageOf(error),
      lack: { remedy: 'check out the models folder again', fatal: false },
    };
  }
}
