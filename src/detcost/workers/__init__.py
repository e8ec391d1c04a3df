"""Process isolation: fresh processes that each run one cell, and the talk with them.

``contract``      what is asked of a worker and what it answers; no TensorFlow
``program``       the built cell inside a worker
``applied``       the setting in a worker: applied, kept, and proved to be in force
``functions``     every ``tf.function`` pinned to the setting; what was executed how
``pipelines``     the order of every ``tf.data`` pipeline
``overrides``     what the program sets by itself, left out
``in_force``      what TensorFlow says back
``surroundings``  what a trial changes around the program
``serve``         the worker's loop: requests in, answers out, failures as statuses
``nursery``       a process that imported TensorFlow and ran nothing, and is forked
``survey``        the same for questions that need no cell: devices, versions, users' scenarios
``process``       the experiment's end of one worker: ask it, time it out, explain its death
``launch``        where workers come from: forks of a nursery, or fresh interpreters
"""
