// A number that somebody keeps anyway, and that is read when somebody asks for the metrics.

/** By the value of its label where it has one; undefined: not known at present. */
export type Reading = number | undefined | Iterable<readonly [string, number]>

export interface Figure {
  /** What follows `cuckoo_distributed_`, after Prometheus' conventions: base units, counters end in `_total`. */
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  /** The name of its one label. Of few values: never one for each sample. */
  readonly label?: string
  /** What it rejects with, or takes longer than two seconds for, is not known at present. */
  read(): Reading | Promise<Reading>
}
