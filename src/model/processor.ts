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

function ownProcessor(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
