/** How long to wait between attempts to deliver. */

/** The first pause, seconds; it doubles each time. */
const FIRST_SECONDS = 1

/** @param failures how often it has failed in a row, from 1 */
export function pauseSeconds (failures: number, maximumSeconds: number): number {
  return Math.min(maximumSeconds, FIRST_SECONDS * 2 ** (failures - 1))
}
