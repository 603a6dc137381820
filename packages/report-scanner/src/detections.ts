// What a sandbox thinks of the sample: families by the engine that knows them, and techniques by the signature that found them.
import type { Node } from '@cuckoo-distributed/json-scanner'
import { Fields } from './fields.js'
import { isObject, toText } from './normalise.js'
import type { ReportSink } from './sink.js'
import { UniqueValues } from './unique-values.js'
import type { Unread } from './unread.js'

/**
 * CAPE's list `detections`: kevoreilly/CAPEv2:lib/cuckoo/common/abstracts.py. Its `details` are objects with the name of an engine and
 * what the engine looked at. Before 2022 the family stood there alone, as text.
 */
export function detectionsNode(sink: ReportSink, unread: Unread): Node {
  const seen = new UniqueValues()
  const emit = (family: string, engine: string): void => {
    if (family !== '' && seen.add(JSON.stringify([family, engine]))) sink.onDetection?.({ family, engine })
  }
  const fields = new Fields(['family'])
  let engines: string[] = []
  const open = (): void => {
    fields.clear()
    engines = []
  }
  const close = (): void => {
    const family = fields.text('family')
    for (const engine of engines.length > 0 ? engines : ['']) emit(family, engine)
  }
  const details: Node = {
    container: value => {
      const list = (Array.isArray(value) ? value : [value]).filter(isObject)
      engines = list.flatMap(detail => Object.keys(detail).map(toText))
    },
    ...unread.counting('details of detections'),
  }
  const alone = { scalar: (family: unknown) => emit(toText(family), '') }
  const item: Node = { ...alone, object: { fields: new Map(fields.nodes).set('details', details), open, close } }
  return { ...alone, array: { item } }
}

/** What techniques are called where they could not be read. */
const TECHNIQUES = 'techniques'

/** Passes on each technique of a signature once. */
export class Techniques {
  readonly #sink: ReportSink
  readonly #unread: Unread
  readonly #seen = new UniqueValues()

  constructor(sink: ReportSink, unread: Unread) {
    this.#sink = sink
    this.#unread = unread
  }

  /** CAPE's list `ttps`: `{signature, ttps: [technique…]}`, and `{signature, ttp}` before 2024; in 2021 an object of signatures by technique. */
  get node(): Node {
    const fields = new Fields(['signature', 'ttp'])
    const several = this.several()
    const open = (): void => {
      fields.clear()
      several.clear()
    }
    const close = (): void => {
      const signature = fields.text('signature')
      this.#add(fields.text('ttp'), signature)
      several.emit(signature)
    }
    const item: Node = { object: { fields: new Map(fields.nodes).set('ttps', several.node), open, close } }
    const container = (value: unknown): void => {
      if (!isObject(value)) return
      for (const [technique, signature] of Object.entries(value)) this.#add(toText(technique), toText(signature))
    }
    return { array: { item }, container, ...this.#unread.counting(TECHNIQUES) }
  }

  /** A list of techniques, or, as in signatures of Cuckoo 2.0, an object that has them as keys; kept until the signature's name is known. */
  several(): { readonly node: Node; readonly clear: () => void; readonly emit: (signature: string) => void } {
    let techniques: string[] = []
    const container = (value: unknown): void => {
      techniques = Array.isArray(value) ? value.map(toText) : Object.keys(isObject(value) ? value : {}).map(toText)
    }
    return {
      node: { container, ...this.#unread.counting(TECHNIQUES) },
      clear: () => {
        techniques = []
      },
      emit: signature => {
        for (const technique of techniques) this.#add(technique, signature)
      },
    }
  }

  #add(technique: string, signature: string): void {
    if (technique === '' || !this.#seen.add(JSON.stringify([technique, signature]))) return
    this.#sink.onTechnique?.({ technique, signature })
  }
}
