# sqlite3 with python functions called back from C, and a file database.
import os
import sqlite3

connection = sqlite3.connect(os.path.join(os.environ["TMPDIR"], "data.db"))
connection.create_function("twice", 1, lambda x: x * 2)


class Product:
    def __init__(self):
        self.value = 1

    def step(self, x):
        self.value = self.value * x % 1000003

    def finalize(self):
        return self.value


connection.create_aggregate("product", 1, Product)
connection.execute("create table t (id integer primary key, name text, value real)")
connection.executemany("insert into t (name, value) values (?, ?)", ((f"n{i % 97}", i * 0.5) for i in range(20000)))
connection.commit()
print(connection.execute("select count(*), sum(twice(value)), product(id) from t").fetchone())
for row in connection.execute("select name, count(*), avg(value) from t group by name order by 3 desc limit 5"):
    print(row)
try:
    connection.execute("select twice(1, 2)")
except sqlite3.OperationalError as error:
    print(error)
