/** "No", and why. */
export interface Refusal {
  readonly refusal: string;
}

/** Returns whether an answer is a refusal. */
export function isRefusal(answer: object): answer is Refusal {
  return 'refusal' in answer;
}
