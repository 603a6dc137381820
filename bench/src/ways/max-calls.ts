/** API calls that are wanted of a report. */
export const MAX_CALLS = 1000
