// Processes of a report without their list: CAPE's lite.json has `behavior.processtree` only (kevoreilly/CAPEv2:modules/reporting/litereport.py).
import type { Node } from '@cuckoo-distributed/json-scanner'
import { Fields } from './fields.js'
import type { ReportProcess } from './sink.js'
import type { Unread } from './unread.js'

/** What is held: processes, and characters of their names; and generations in each other that are read. */
const MAX_PROCESSES = 10_000
const MAX_CHARACTERS = 1_048_576
const MAX_DEPTH = 100

/** Keeps the processes of the tree, parents before their children, until it is known whether they are needed. */
export class ProcessTree {
  readonly node: Node
  readonly #unread: Unread
  /** By place; undefined until the process is read to its end. */
  readonly #processes: (ReportProcess | undefined)[] = []
  #characters = 0
  #leftOut = 0

  constructor(unread: Unread) {
    this.#unread = unread
    let children: Node = {}
    for (let depth = 0; depth < MAX_DEPTH; depth++) children = this.#generation(children)
    this.node = children
  }

  /** The processes, for a report that has no list of them. */
  take(): ReportProcess[] {
    const problem = `more than ${MAX_PROCESSES} of them, or ${MAX_CHARACTERS} characters of names, in a tree`
    if (this.#leftOut > 0) this.#unread.add('processes', problem, this.#leftOut)
    return this.#processes.filter(process => process !== undefined)
  }

  #generation(children: Node): Node {
    const fields = new Fields(['name', 'pid', 'parent_id'])
    let place = 0
    const open = (): void => {
      fields.clear()
      place = this.#processes.length
      if (place < MAX_PROCESSES) this.#processes.push(undefined)
    }
    const close = (): void => {
      const [name, pid, parentPid] = [fields.text('name'), fields.text('pid'), fields.text('parent_id')]
      this.#characters += name.length + pid.length + parentPid.length
      if (place === MAX_PROCESSES || this.#characters > MAX_CHARACTERS) this.#leftOut++
      else this.#processes[place] = { name, pid, parentPid, firstSeen: '' }
    }
    return { array: { item: { object: { fields: new Map(fields.nodes).set('children', children), open, close } } } }
  }
}
