/** A result of doctor. `lack` says what to do about it; a fatal lack makes doctor exit with 1. */
export interface Finding {
  readonly subject: string;
  readonly found: string;
  readonly lack?: { readonly remedy: string; readonly fatal: boolean };
}
