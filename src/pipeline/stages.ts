/** The pipeline's stages, in the order in which a frame passes them. */
export const STAGES = ['decode', 'scatter', 'infer', 'gather', 'encode'] as const;
export type Stage = (typeof STAGES)[number];
