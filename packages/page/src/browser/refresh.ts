import type { Session } from './session.js'

/**
 * Does `work` now, and again `everyMs` after it has ended, but not while the server wants a token or nobody looks. Returns what has it done at
 * once; a call while it is being done has it done once more. `work` must not reject.
 */
export function keepFresh(session: Session, work: () => Promise<void>, everyMs: number): () => void {
  let [isRunning, isWanted] = [false, false]
  let timer = 0
  const run = async () => {
    if (isRunning) {
      isWanted = true
      return
    }
    clearTimeout(timer)
    isRunning = true
    do {
      isWanted = false
      await work()
    } while (isWanted)
    isRunning = false
    timer = setTimeout(again, everyMs)
  }
  const again = () => {
    if (document.hidden || session.connection.state === 'token') timer = setTimeout(again, everyMs)
    else void run()
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && session.connection.state !== 'token') void run()
  })
  void run()
  return () => void run()
}
