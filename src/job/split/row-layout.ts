import type { EncoderWork, EncodeSpec } from '../../video/codecs/codec.js';
import { frameBytes } from '../../video/formats/frame-format.js';
import type { RowLayout } from '../journal/result-row.js';
import type { PreparedJob } from '../prepare/prepare.js';

/** Returns the sizes of the parts of a row. */
export function layoutOf({ graph }: Pick<PreparedJob, 'graph'>): RowLayout {
  const { input, output, further, table } = graph;
  const formats = output === undefined ? [] : [output, ...further.map(({ format }) => format)];
  return {
    frameBytes: formats.map(frameBytes),
    tableBytes: table?.frameBytes ?? 0,
    bytesPerSample: input.sample.bytesPerSample,
  };
}

/** Returns how the frames of each picture in a row are encoded; none if no video is made. */
export function specsOf({ video }: Pick<PreparedJob, 'video'>, encoder: EncoderWork): readonly EncodeSpec[] {
  if (video === undefined) return [];
  return [video, ...video.further].map(({ spec }) => ({ ...spec, ...encoder }));
}
