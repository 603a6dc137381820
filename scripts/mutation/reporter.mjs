// The reporter of a worker: tells it of what has failed and of the suites that have ended, and prints nothing.
import { EventEmitter } from 'node:events'

export const events = new EventEmitter()

// biome-ignore lint/style/noDefaultExport: what --test-reporter wants.
// biome-ignore lint/correctness/useYield: a reporter is a generator.
export default async function* report(source) {
  for await (const { type, data } of source) {
    if (type === 'test:fail' && data.todo === undefined) events.emit('fail', data)
    if (/^test:(pass|fail)$/.test(type) && data.nesting === 0) events.emit('end', data.name)
  }
}
