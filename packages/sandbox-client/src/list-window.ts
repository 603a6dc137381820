/** From when on finished tasks are listed: late enough to keep the list short, early enough to show every wanted task. */
import { serverTime, type TaskSummary } from './answers.js'

const HOUR = 3_600_000
/** No zone is further ahead. */
const ZONE_MS = 14 * HOUR
/** How much further a list reaches back after each view that found what only empty lists had preceded. */
const EXTRA_HOURS = [0, 3, 15, 63, 255]

/**
 * Chooses `completed_after` for lists of reported tasks: one hour before the start of the oldest watch, or three hours
 * before the newest end of an analysis that was listed, whichever is later.
 *
 * Cuckoo turns our time into its own local time and compares that with `completed_on`, which is when the machine
 * finished, not when the report did (`cuckoosandbox/cuckoo:lib/cuckoo/core/database.py`, `list_tasks`). Its clock and
 * zone are unknown, so no date of Cuckoo is compared with our clock. But all dates in a list are later than its start.
 * So a date is, in our time, at least as far behind the start as it is behind the oldest date in the list; nor is it
 * further behind than by the widest zone. Counting from there errs to the early side only, but for a change to or from
 * summer time, and for that there is the hour.
 *
 * A list may still not show a task: it finished long before its watch began, or its report took hours. Once a view has
 * found such a task, the next list begins before it and shows the others like it.
 */
export class ListWindow {
  #lastStart = Number.POSITIVE_INFINITY
  /** Of the last list that showed anything: its start less its oldest date, and its newest date. */
  #shown: { readonly offset: number; readonly newest: number } | undefined
  #wanted = Number.POSITIVE_INFINITY
  #lastWasEmpty = true
  /** Tasks that views have found since a list showed anything. */
  #misses = 0

  /** Whether lists stay empty however far they reach back, as those of Cuckoo 1.2 with a limit do. */
  get isBlind(): boolean {
    return this.#misses >= EXTRA_HOURS.length
  }

  /** Where the next list should begin, in milliseconds since 1970, as is `oldestWatch`, when the oldest watch began. */
  start(oldestWatch: number): number {
    const newest = this.#shown ? this.#shown.newest + this.#shown.offset : Number.NEGATIVE_INFINITY
    // A date in the future comes from a clock that was wrong for a while.
    const regular = Math.max(oldestWatch, Math.min(newest, Date.now()) - 2 * HOUR) - HOUR
    const extra = EXTRA_HOURS[Math.min(this.#misses, EXTRA_HOURS.length - 1)] ?? 0
    return Math.max(0, Math.min(regular - extra * HOUR, this.#wanted))
  }

  /** Learns from the list that began at `start`. */
  answered(start: number, tasks: readonly TaskSummary[]): void {
    this.#lastStart = start
    this.#wanted = Number.POSITIVE_INFINITY
    const dates = tasks.flatMap(({ completedOn }) => serverTime(completedOn ?? '') ?? [])
    this.#lastWasEmpty = dates.length === 0
    if (dates.length === 0) return
    const oldest = dates.reduce((low, date) => Math.min(low, date))
    const newest = dates.reduce((high, date) => Math.max(high, date))
    this.#shown = { offset: Math.max(start - oldest, -ZONE_MS), newest }
    this.#misses = 0
  }

  /** Learns that a view, not a list, has found `task` reported. */
  missed(task: TaskSummary): void {
    const date = serverTime(task.completedOn ?? '')
    if (date === undefined) return // such a task is in no list with a start
    if (this.#lastWasEmpty) this.#misses += 1
    if (this.#shown === undefined) return
    const finished = date + this.#shown.offset
    // Later than the start of the last list: the report was only finished after that list.
    if (finished < this.#lastStart) this.#wanted = Math.min(this.#wanted, finished - HOUR)
  }
}
