"""Batches for training: Terrapin beside the loaders people use and the limits of the machine, in one run.

    make bench      (or, from the top of the repository: python -m benchmarks.streaming --binary bin/terrapin)

What is measured is a consumer that takes batches of real Sentinel-2 pixels and reads one value of every 2 KiB. Each
run is a process of its own; engines take turns, so that the machine's noise hits all alike, and only ratios to limits
of the same run mean something. Processor time is that of every process that works for an engine, its server and its
worker processes included; so is memory. Every engine yields the same samples, which a test compares with the source.

    workloads     what is read: shapes, sizes, batch
    pixels        makes the samples
    contract      what an engine is, and what it is given
    engines       the table of all engines and their settings
    limits, …     one file for each engine or family
    measure       one run, inside its process
    process       starts such a process and a server, watches their memory
    report        table, plot and JSON
"""
