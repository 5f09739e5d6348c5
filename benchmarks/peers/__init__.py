"""openbook beside other systems on the same machine: one harness, one small adapter for each system.

Each system lives in a virtual environment of its own and runs as a child
process that speaks JSON lines, so that none sees the packages of another and
memory can be measured from outside.
"""
