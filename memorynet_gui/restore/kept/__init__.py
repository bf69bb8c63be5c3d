"""Two results of one photo: one put aside, and compared with the present one."""
