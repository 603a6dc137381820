// What CRITs' results page needs of the order and the keys of rows (`crits/crits:crits/services/templates/services_results_default.html`).
import type { BsonValue } from './bson.js'
import type { Report } from './journal.js'

/** Watches the rows of one analysis: rows of a subtype must follow each other and have the same keys. */
export class ResultOrder {
  readonly #analysisId: string
  readonly #report: Report
  readonly #keys = new Map<string, string>()
  #last: string | undefined

  constructor(analysisId: string, report: Report) {
    this.#analysisId = analysisId
    this.#report = report
  }

  add(row: Readonly<Record<string, BsonValue>>): void {
    const subtype = String(row.subtype)
    const keys = Object.keys(row).sort().join(' ')
    const known = this.#keys.get(subtype)
    if (known === undefined) {
      this.#keys.set(subtype, keys)
    } else {
      if (this.#last !== subtype) {
        this.#report(
          'scattered-subtype',
          `analysis ${this.#analysisId}: rows of ${subtype} after rows of ${this.#last}`,
        )
      }
      if (known !== keys) {
        this.#report('unequal-keys', `analysis ${this.#analysisId}, subtype ${subtype}: [${known}] and [${keys}]`)
      }
    }
    this.#last = subtype
  }
}
