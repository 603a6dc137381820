/** The meaning of a switch that is kept as its client wrote it. */
export function isOn(text: string | null): boolean {
  return ['1', 'true', 'yes', 'on'].includes(text?.toLowerCase() ?? '')
}
