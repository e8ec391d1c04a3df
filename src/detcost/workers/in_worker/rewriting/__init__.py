"""One operation of a program, computed in another way: where it stands, and the other ways."""
