"""What is broken on purpose, with jobs in which states, how they end, and where. `pytest -m fault` runs it all.

D: delivered, once. F: failed, and its user told. W: it waits in the store, and the next start goes on with it.
-: nobody was promised anything. "any": received, acknowledged, queued, running, in review, delivering.

    fault                                                jobs                 end   test
    kill -9 before and after each move that a job makes  any but in review    D F   faults/test_kills.py
    the same while it is taken up after another one      any but in review    D     faults/test_kills.py
    kill -9 of the store at each legal move of the table any                  D F   faults/test_kills.py
    kill -9 at the moves of a review                     in review            D F   faults/test_review_kills.py
    kill -9 on PostgreSQL, once for each part of the way any but in review    D F   faults/test_kills_postgresql.py
    kill -9 of one of three processes, while it draws    from queued on       D     faults/test_shards.py
    a job that ends the process, while it is read        queued               F     faults/test_deadly_jobs.py
    ... or drawn                                         running              F     faults/test_deadly_jobs.py
    ... and what was beside and behind it                queued, running      D     faults/test_deadly_jobs.py
    SIGTERM while a chunk is drawn                       queued, running      D W   test_app.py
    SIGTERM twice, and a time that is over               running              W     test_app.py
    database locked, full or moved away for 2 s          from queued on       D     faults/test_store_faults.py
    ... when a job is asked for                          none yet             -     cogs/test_store_mishaps.py
    ... at any call, commits that nobody hears of        any but in review    D F   faults/test_machine.py
    ... at its moves, one by one                         from queued on       D F   cogs/test_job_recorder.py
    a PostgreSQL server that cuts its connections        none                 -     store/test_database.py
    kill -9 of a restore before each of its writes       none: does not start W     backups/test_cut_short.py
    a damaged database, or migration                     none: does not start W     store/test_migrate.py
    gateway: drops, invalid sessions, resume refused     running              D     cogs/test_discord_faults.py
    a connection that only looks alive                   running              D     cogs/test_discord_faults.py
    REST: 500, 502, slow answers, resets in mid-upload   received, delivering D F   cogs/test_discord_faults.py
    429, of a route and of everything                    delivering           D     cogs/test_discord_faults.py
    message, channel or server deleted, rights revoked   running, delivering  F     cogs/test_mishaps.py
    Discord away for longer than anybody waits           delivering           W     cogs/test_delivery.py
    engine: any call raises once                         running              D     faults/test_engine_faults.py
    ... twice, or for one job alone                      queued, running      F     faults/test_engine_faults.py
    ... out of memory on the device                      running              D F   engine/test_engine_faults.py
    ... numbers that are not finite                      running              F     faults/test_engine_faults.py
    ... any call never returns                           queued, running      W     executor/test_watchdog.py
    ... does not load                                    queued               W     executor/test_watchdog.py
    replicas killed or silent                            running              D F   executor/test_remote.py
    the host's clock jumps by up to two days             any but in review    D F   faults/test_machine.py
    any of these in any order, and kills                 any but in review    D F   faults/test_machine.py
    all of Discord's, the engine's, and kill -9          any but in review    D F   bench/test_fault_soak.py
    ten times more commands than can be drawn            any but in review    D F   bench/test_overload.py

Not injected: kill -9 of PostgreSQL's own server, a disk that is full under the pictures while the whole bot hands a job
over, and a machine that hangs.
"""
