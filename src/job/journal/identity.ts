/** What must be the same for segments of an earlier run to be of use: plain values, compared key by key. */
export type Identity = Readonly<Record<string, string | number | boolean | null>>;
