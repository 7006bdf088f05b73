"""A BSS that is asked by TM Forum Open APIs; one module for each thing that it is asked for."""
