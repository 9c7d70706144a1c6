package enum LogKey {}
