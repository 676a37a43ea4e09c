"""Store of studies: tables, migrations, transactions."""
