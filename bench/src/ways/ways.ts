// The ways to get the wanted parts out of the report at a URL.
type Way = (url: string) => Promise<unknown>

/** Each way loads only what it needs: starting is part of the cost. */
const WAYS: Readonly<Record<string, () => Promise<Way>>> = {
  download: async () => (await import('./download.js')).download,
  scan: async () => (await import('./scan.js')).scan,
  'JSON.parse': async () => (await import('./parse.js')).parseWhole,
}

export function loadWay(name: string): Promise<Way> {
  const load = WAYS[name]
  if (load === undefined) throw new RangeError(`no way ${name}`)
  return load()
}
