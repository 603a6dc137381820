import type { Table } from './table.js'

/** What a benchmark gets, and what it gives. */
export interface Bench {
  /** URL of a broker that nobody else uses. */
  readonly amqp: string
}

export type Suite = (bench: Bench) => Promise<Table[]>
