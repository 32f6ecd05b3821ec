import { readFileSync } from 'node:fs';

/**
 * Flags of processors that multiply unsigned by signed bytes exactly. Other x86 processors cut off the sums
 * of two products at 16 bits, so that int8 gives different frames there.
 */
const EXACT_INT8 = ['avx512_vnni', 'avx_vnni', 'amx_int8'];

/** Returns whether every core in `cpuinfo`, the text of /proc/cpuinfo on x86, has VNNI or AMX. */
export function multipliesInt8(cpuinfo: string = ownProcessor()): boolean {
  const cores = [...cpuinfo.matchAll(/^flags\s*:(.*)$/gm)].map(([, flags = '']) => flags.split(' '));
  return cores.length > 0 && cores.every((flags) => EXACT_INT8.some((flag) => flags.includes(flag)));
}

/** Returns the name of the first core; "" if it is not given. */
export function processorName(cpuinfo: string = ownProcessor()): string {
  return /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
}

function ownProcessor(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}

/**
 * Returns the number of channels that ONNX Runtime's convolutions process together on the processor of
 * `cpuinfo`: as many as its vector registers hold floats. It decides how much memory a network takes.
 */
export function channelBlock(cpuinfo: string = ownProcessor()): number {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' ');
  return flags === undefined || flags.includes('avx512f') ? 16 : 8;
}
