// report.js WAY URL: gets the wanted parts out of one report, in one of the ways of ways/.
import { tell } from '../usage.js'

type Way = (url: string) => Promise<unknown>

/** Each way loads only what it needs: starting is part of the cost. */
const WAYS: Readonly<Record<string, () => Promise<Way>>> = {
  download: async () => (await import('../ways/download.js')).download,
  scan: async () => (await import('../ways/scan.js')).scan,
  'JSON.parse': async () => (await import('../ways/parse.js')).parseWhole,
  'stream-json': async () => (await import('../ways/stream-json.js')).streamJson,
  '@streamparser/json': async () => (await import('../ways/streamparser.js')).streamparser,
}

const [, , way = '', url = ''] = process.argv
const load = WAYS[way]
if (load === undefined) throw new RangeError(`no way ${way}`)
const run = await load()
tell(await run(url))
process.exit()
