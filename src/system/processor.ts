import { readFileSync } from 'node:fs';

/**
 * Flags of processors that multiply unsigned by signed bytes exactly. On other x86 processors the sums of two products are
 * cut off at 16 bits, so that int8 gives other pictures there.
 */
const EXACT_INT8 = ['avx512_vnni', 'avx_vnni', 'amx_int8'];

/** Whether every core that `cpuinfo`, the text of /proc/cpuinfo on x86, tells of has VNNI or AMX. */
export function multipliesInt8(cpuinfo: string = ownProcessor()): boolean {
  const cores = [...cpuinfo.matchAll(/^flags\s*:(.*)$/gm)].map(([, flags = '']) => flags.split(' '));
  return cores.length > 0 && cores.every((flags) => EXACT_INT8.some((flag) => flags.includes(flag)));
}

/** What the first core is called; "" where that is not said. */
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
 * Channels that ONNX Runtime's convolutions take at once, by the processor that `cpuinfo` tells of: as many floats as its vector
 * registers hold. They decide how much memory a network takes.
 */
export function channelBlock(cpuinfo: string = ownProcessor()): number {
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' ');
  return flags === undefined || flags.includes('avx512f') ? 16 : 8;
}
