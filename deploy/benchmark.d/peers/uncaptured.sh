# What all others are compared with: the same work, and nothing that watches it.
title[uncaptured]=uncaptured
log_schema[uncaptured]=''

uncaptured_capture() { :; }
uncaptured_release() { :; }
