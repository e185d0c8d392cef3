define internal i64 @find_text(ptr %text, ptr %words, ptr %codes, i64 %count) nounwind {
entry:
  %missing = icmp eq ptr %text, null
  br i1 %missing, label %none, label %search
search:
  %low = phi i64 [0, %entry], [%next_low, %narrow]
  %high = phi i64 [%count, %entry], [%next_high, %narrow]
  %more = icmp slt i64 %low, %high
  br i1 %more, label %look, label %unknown
look:
  %sum = add i64 %low, %high
  %middle = lshr i64 %sum, 1
  %place = getelementptr ptr, ptr %words, i64 %middle
  %word = load ptr, ptr %place
  br label %compare
compare:
  %i = phi i64 [0, %look], [%following, %same]
  %here = getelementptr i8, ptr %text, i64 %i
  %there = getelementptr i8, ptr %word, i64 %i
  %byte = load i8, ptr %here
  %other = load i8, ptr %there
  %differ = icmp ne i8 %byte, %other
  br i1 %differ, label %narrow, label %end
end:
  %over = icmp eq i8 %byte, 0
  br i1 %over, label %found, label %same
same:
  %following = add i64 %i, 1
  br label %compare
narrow:
  %before = icmp ult i8 %byte, %other
  %behind = add i64 %middle, 1
  %next_low = select i1 %before, i64 %low, i64 %behind
  %next_high = select i1 %before, i64 %middle, i64 %high
  br label %search
found:
  %entry_of = getelementptr i64, ptr %codes, i64 %middle
  %code = load i64, ptr %entry_of
  ret i64 %code
none:
  ret i64 0
unknown:
  ret i64 -1
}
