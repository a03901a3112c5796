"""Images, disks and boards: what is written where, and whether it arrived."""
