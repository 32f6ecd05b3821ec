import type { RowLayout } from '../journal/result-row.js';
import type { PreparedJob } from '../prepare/prepare.js';

/** Returns the sizes of the parts of a row. */
export function layoutOf({ graph }: Pick<PreparedJob, 'graph'>): RowLayout {
  return { frameBytes: graph.outputBytes, tableBytes: graph.table?.frameBytes ?? 0 };
}
