title[textbook]='textbook trigger'
log_schema[textbook]=textbook

textbook_capture() { sql source "$1" -f "$parts/peers/textbook.sql"; }
textbook_release() { :; }
