import type { CreateTableBuilder } from 'kysely'

export type Dialect = 'sqlite' | 'postgres'

/** Ids are never used twice: report directories and clients know tasks by them. */
export function withId<T extends string>(table: CreateTableBuilder<T>, dialect: Dialect) {
  return dialect === 'sqlite'
    ? table.addColumn('id', 'integer', column => column.primaryKey().autoIncrement())
    : table.addColumn('id', 'bigint', column => column.primaryKey().generatedByDefaultAsIdentity())
}
