// report.js WAY URL: gets the wanted parts out of one report, in one of the ways of extract.ts.
import { tell } from '../usage.js'
import { download, parseWhole, scan, streamJson, streamparser } from './extract.js'

const WAYS: Readonly<Record<string, (url: string) => Promise<number>>> = {
  download,
  scan,
  'JSON.parse': parseWhole,
  'stream-json': streamJson,
  '@streamparser/json': streamparser,
}

const [, , way = '', url = ''] = process.argv
const run = WAYS[way]
if (run === undefined) throw new RangeError(`no way ${way}`)
tell(await run(url))
process.exit()
