// What the parts of the page have in common.
import type { TemplateResult } from '@cuckoo-distributed/page/browser'
import type { Overview } from '../admin/wire.js'
import type { Api } from './api.js'

export interface Context {
  readonly api: Api
  /** Has the page drawn anew. */
  readonly changed: () => void
  /** As it was last told; undefined until then. */
  overview(): Overview | undefined
}

export interface View {
  readonly title: string
  show(): TemplateResult
  /** Now and again while it is shown. Does not reject. */
  refresh?(): Promise<void>
}

/** What a request that failed says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`
}

/** Gives the focus to the first element that fits, once what was changed before is drawn. */
export function focusOn(selector: string): void {
  queueMicrotask(() => document.querySelector<HTMLElement>(selector)?.focus())
}

/** Where a dump is shown. */
export function dumpLink(name: string): string {
  return `#/dumps/${encodeURIComponent(name)}`
}

export function sampleLink(what: string): string {
  return `#/samples/${encodeURIComponent(what)}`
}
