/** Parts of a JSON report, read as it streams by: a report may be larger than memory. */
import { type JsonError, type Node, readJson } from '@cuckoo-distributed/json-scanner'

/** Bytes of one section; a larger one is to be had with the whole report only. */
const MAX_SECTION = 16 * 2 ** 20

type Section = readonly [name: string, value: unknown]
type Emit = (section: Section) => void

/**
 * The section with this name; undefined when the report has none. As with Cuckoo, null is none.
 *
 * @throws JsonError `too-large` for one of more than 16 MiB.
 */
export async function findSection(report: AsyncIterable<Buffer>, name: string): Promise<unknown> {
  const wanted = (emit: Emit) => ({ fields: new Map([[name, whole(value => emit([name, value]))]]) })
  for await (const [, value] of readJson<Section>(report, wanted, { maxValueBytes: MAX_SECTION }))
    return value ?? undefined
  return undefined
}

/**
 * What Cuckoo 1.2 to 2.0 write (`cuckoosandbox/cuckoo:modules/processing`, `cuckoo/processing`), without what makes reports large and
 * what `tasks_summary` leaves out (`cuckoosandbox/cuckoo:cuckoo/apps/api.py`): calls, process memory, debug logs, screenshots.
 */
const SECTIONS = [
  ...['info', 'signatures', 'target', 'network', 'static', 'dropped', 'buffer', 'extracted', 'strings', 'virustotal'],
  ...['suricata', 'snort', 'misp', 'irma', 'memory', 'baseline', 'googleplay', 'apkinfo', 'droidmon', 'dumptls'],
]
const BEHAVIOR = ['summary', 'processtree', 'anomaly', 'enhanced', 'action', 'dex_class', 'extra']

/** The report as one JSON document without its large sections; those of them that are too large themselves are left out. */
export async function* summaryDocument(report: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const wanted = (emit: Emit) => {
    const behavior: Record<string, unknown> = {}
    const member = (name: string): [string, Node] => [name, small(value => emit([name, value]))]
    const inner = (name: string): [string, Node] => [
      name,
      small(value => {
        behavior[name] = value
      }),
    ]
    const fields = new Map(BEHAVIOR.map(inner))
    const close = () => emit(['behavior', behavior])
    return { fields: new Map([...SECTIONS.map(member), ['behavior', { object: { fields, close } }]]) }
  }
  let separator = '{'
  for await (const [name, value] of readJson<Section>(report, wanted, { maxValueBytes: MAX_SECTION })) {
    yield `${separator}${JSON.stringify(name)}: ${JSON.stringify(value)}`
    separator = ', '
  }
  yield separator === '{' ? '{}' : '}'
}

/** A value of any kind. */
function whole(take: (value: unknown) => void): Node {
  return { scalar: take, container: take }
}

function small(take: (value: unknown) => void): Node {
  return { ...whole(take), unreadable: ignoreLarge }
}

/** The whole report still has it. */
function ignoreLarge(error: JsonError): void {
  if (error.code !== 'too-large' && error.code !== 'too-deep') throw error
}
