// Where the text of a dump is while an editor has it: in a directory of its own, so that what the editor leaves beside it goes as well.
const EDIT = /^\.edit-(?<dump>.+)$/

export function editDirName(dump: string): string {
  return `.edit-${dump}`
}

/** The dump that is edited in this directory. */
export function dumpOfEdit(file: string): string | undefined {
  return EDIT.exec(file)?.groups?.dump
}
